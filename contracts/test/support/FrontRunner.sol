// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IExchange} from "../../src/interfaces/IExchange.sol";
import {IBalancing} from "../../src/interfaces/IBalancing.sol";
import {IConsortium} from "../../src/interfaces/IConsortium.sol";
import {IEnergyMarket} from "../../src/interfaces/IEnergyMarket.sol";
import {ISlaveAnchors} from "../../src/interfaces/ISlaveAnchors.sol";
import {OrderId, Side} from "../../src/types/OrderId.sol";
import {Request} from "../../src/types/Request.sol";
import {toRequest} from "./MarketTest.sol";
import {Test} from "./Test.sol";
import {vm} from "./Vm.sol";

/// @title One honest master among others who see each of its calls on its way and send the same before it
/// @notice Every call of the honest one, legal by itself, must succeed and do what it was to do.
contract FrontRunner is Test {
    uint16 private constant HONEST = 4;

    IConsortium private immutable _consortium;
    IExchange private immutable _market;
    ISlaveAnchors private immutable _anchors;
    IBalancing private immutable _balancing;
    uint24 private immutable _period;

    uint32[2] private _traders = [uint32(4), 8];
    address private _account;
    uint256 private _secret = 0x5ec7e7;
    uint64 private _anchored;
    OrderId[] private _orders;
    /// @notice How many calls of others went through.
    uint256 public copies;

    constructor(IConsortium consortium, IExchange market, ISlaveAnchors anchors, IBalancing balancing, uint24 period) {
        (_consortium, _market, _anchors, _balancing, _period) = (consortium, market, anchors, balancing, period);
        _account = consortium.master(HONEST).account;
        for (uint64 masterId = 1; masterId <= HONEST; ++masterId) {
            vm.prank(consortium.master(uint16(masterId)).account);
            consortium.registerSlave(masterId, "genesis", address(0x77));
        }
    }

    function register(bytes32 pseudonym) external {
        if (pseudonym == 0 || _market.traderOf(HONEST, pseudonym) != 0) return;
        bytes32[] memory pseudonyms = new bytes32[](1);
        pseudonyms[0] = pseudonym;
        _send(address(_market), abi.encodeCall(_market.registerTraders, (pseudonyms, new uint8[](1))));
        uint32 number = _market.traderOf(HONEST, pseudonym);
        assertEq(_market.trader(number).masterId, HONEST, "its own account");
    }

    function move(uint256 seed, uint96 money) external {
        (uint32 from, uint32 to) = (_traders[seed % 2], _traders[1 - seed % 2]);
        uint96 before = _market.trader(from).freeMoney;
        money = uint96(bound(money, 0, before));
        _send(address(_market), abi.encodeCall(_market.moveDeposit, (from, to, money)));
        assertEq(_market.trader(from).freeMoney, before - money, "moved once");
    }

    function place(uint256 seed, bytes32 recordHash) external {
        uint16 ticks = uint16(bound(seed, 3_700, 3_710));
        Request request = toRequest(_traders[seed % 2], Side.Ask, 1, _period, ticks, 100);
        bytes memory answer = _send(address(_market), abi.encodeCall(_market.placeOrder, (request, recordHash)));
        OrderId id = abi.decode(answer, (OrderId));
        assertEq(_market.order(id).trader, _traders[seed % 2], "its own order");
        _orders.push(id);
    }

    function cancel() external {
        if (_orders.length == 0) return;
        OrderId[] memory ids = new OrderId[](1);
        ids[0] = _orders[_orders.length - 1];
        _orders.pop();
        _send(address(_market), abi.encodeCall(_market.cancelOrders, (ids)));
        assertEq(_market.order(ids[0]).energyTypes, 0, "gone");
    }

    function changeKey() external {
        address next = vm.addr(++_secret);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_secret, _consortium.keyConsent(HONEST));
        _send(address(_consortium), abi.encodeCall(_consortium.changeKey, (next, v, r, s)));
        assertEq(_consortium.activeMasterId(next), HONEST, "its own address");
        _account = next;
    }

    function registerValidator(bytes32 key, bytes20 nodeId) external {
        if (key == 0 || nodeId == 0) return;
        _send(address(_consortium), abi.encodeCall(_consortium.registerValidator, (key, nodeId, new bytes(64))));
        (bytes32 known,) = _consortium.validator(HONEST);
        assertTrue(known == key, "its own key");
    }

    function registerEncryptionKey(bytes calldata key) external {
        if (key.length == 0) return;
        _send(address(_balancing), abi.encodeCall(_balancing.registerEncryptionKey, (key)));
        assertTrue(keccak256(_balancing.encryptionKey(HONEST)) == keccak256(key), "its own key");
    }

    function anchor(bytes32 root) external {
        ++_anchored;
        _send(address(_anchors), abi.encodeCall(_anchors.anchor, (_anchored, _anchored, _anchored, root)));
        assertTrue(_anchors.anchorAt(HONEST, _anchored - 1).root == root, "its own anchor");
    }

    function _send(address target, bytes memory data) private returns (bytes memory answer) {
        for (uint16 masterId = 1; masterId < HONEST; ++masterId) {
            vm.prank(_consortium.master(masterId).account);
            (bool copied,) = target.call(data);
            if (copied) ++copies;
        }
        bool succeeded;
        vm.prank(_account);
        (succeeded, answer) = target.call(data);
        assertTrue(succeeded, "a call that others sent before still succeeds");
    }
}
