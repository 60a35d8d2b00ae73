// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBalancing, ImbalancePrice} from "../src/interfaces/IBalancing.sol";
import {ISlaveAnchors} from "../src/interfaces/ISlaveAnchors.sol";
import {ISlaveLedger} from "../src/interfaces/ISlaveLedger.sol";
import {OrderId, Side} from "../src/types/OrderId.sol";
import {Request} from "../src/types/Request.sol";
import {MarketTest, toRequest} from "./support/MarketTest.sol";
import {MerkleLog} from "./support/MerkleLog.sol";
import {vm} from "./support/Vm.sol";

/// @title Gas of the market with its members, legality, deals, money and events, and of the slave chains' contracts
/// @notice Measured as the book alone is. Figures go to `snapshots/market.json` and `snapshots/chains.json`.
/// forge-config: default.isolate = true
contract MarketGasTest is MarketTest {
    function setUp() public override {
        super.setUp();
        // A market in use: eleven asks of nine traders, and both sides' queues have given out turns before.
        for (uint32 i; i < 11; ++i) {
            _ask(i % 9 + (i % 9 < 3 ? 1 : 2), TICKS, WH);
        }
        _place(toRequest(BUYER, Side.Bid, WIND, PERIOD, TICKS, WH));
    }

    function test_placing() public {
        _ask(SELLER, TICKS, WH);
        vm.snapshotGasLastCall("market", "place, others wait at its price");
        _placeBatch(100);
        vm.snapshotGasLastCall("market", "place 100 in one batch");
    }

    function test_cancelling() public {
        OrderId[] memory ids = new OrderId[](1);
        ids[0] = _ask(SELLER, TICKS, WH);
        vm.prank(SOURCE);
        market.cancelOrders(ids);
        vm.snapshotGasLastCall("market", "cancel, others wait at its price");
    }

    function test_validators() public {
        vm.prank(SOURCE);
        consortium.registerValidator("key", "node", new bytes(64));
        vm.snapshotGasLastCall("chains", "register a validator");
        vm.prank(SOURCE);
        consortium.registerValidator("another key", "node", new bytes(64));
        vm.snapshotGasLastCall("chains", "register another validator");
    }

    function test_oneFill() public {
        _bid(BUYER, TICKS, WH);
        vm.snapshotGasLastCall("market", "one fill");
    }

    function test_twoFills() public {
        _bid(BUYER, TICKS, 2 * WH);
        vm.snapshotGasLastCall("market", "two fills");
    }

    function test_tenFillsAndTheirDeals() public {
        _bid(BUYER, TICKS, 10 * WH);
        vm.snapshotGasLastCall("market", "ten fills");
        _confirm(SOURCE, 1, Side.Ask);
        vm.snapshotGasLastCall("market", "confirm, the first party");
        uint64[] memory dealIds = new uint64[](10);
        for (uint64 i; i < 10; ++i) {
            dealIds[i] = i + 1;
        }
        vm.prank(USER);
        market.confirm(dealIds, Side.Bid);
        vm.snapshotGasLastCall("market", "confirm ten deals for one party");
        _settle(1);
        vm.snapshotGasLastCall("market", "settle, first trade of both");
    }

    function test_settlingTenDeals() public {
        _setCoolingOff(0);
        _bid(BUYER, TICKS, 10 * WH);
        uint64[] memory dealIds = new uint64[](10);
        for (uint64 i; i < 10; ++i) {
            dealIds[i] = i + 1;
        }
        vm.prank(GRID);
        market.settle(dealIds);
        vm.snapshotGasLastCall("market", "settle ten deals");
    }

    function test_abandoning() public {
        _bid(BUYER, TICKS, WH);
        _abandon(USER, 1, Side.Bid);
        vm.snapshotGasLastCall("market", "abandon, the bid never waited before");
    }

    function test_slaveChains() public {
        ISlaveLedger ledger = ISlaveLedger(vm.deployCode("SlaveLedger.sol", abi.encode(SOURCE)));
        vm.prank(SOURCE);
        ledger.append(1, new bytes(1_024));
        vm.prank(SOURCE);
        ledger.append(1, new bytes(1_024));
        vm.snapshotGasLastCall("chains", "append a record of 1 KiB of zeros");
    }

    function test_anchoring() public {
        ISlaveAnchors anchors = _foundAnchors();
        vm.prank(SOURCE);
        anchors.anchor(1, 10, 5, keccak256("root"));
        vm.snapshotGasLastCall("chains", "anchor, the first");
        vm.prank(SOURCE);
        anchors.anchor(11, 20, 6, keccak256("next"));
        vm.snapshotGasLastCall("chains", "anchor, a later one");
        vm.prank(SOURCE);
        anchors.anchor(11, 20, 6, keccak256("next"));
        vm.snapshotGasLastCall("chains", "anchor, repeated");
    }

    function test_balancing() public {
        IBalancing balancing = IBalancing(vm.deployCode("Balancing.sol", abi.encode(consortium)));
        vm.prank(SOURCE);
        balancing.submit(16, new bytes(1_024));
        vm.prank(SOURCE);
        balancing.submit(16, new bytes(1_024));
        vm.snapshotGasLastCall("chains", "submit a record of 1 KiB of zeros");
        ImbalancePrice[] memory prices = new ImbalancePrice[](96);
        for (uint24 i; i < 96; ++i) {
            prices[i] = ImbalancePrice(PERIOD + i, TICKS, -1_000, 1_000_000);
        }
        vm.prank(GRID);
        balancing.publishImbalancePrices(prices, 0);
        vm.snapshotGasLastCall("chains", "publish the imbalance prices of a day");
    }

    function test_anInclusionProofIsCheckedForLessThan230000() public {
        ISlaveAnchors anchors = _foundAnchors();
        _checkProof(anchors, 1 << 20, 20, "includes, 2^20 leaves");
        _checkProof(anchors, type(uint64).max, 64, "includes, 2^64 - 1 leaves, the longest proof");
    }

    /// @dev The path is not on the right edge of the tree, so each bit of the index names a side.
    function _checkProof(ISlaveAnchors anchors, uint64 leafCount, uint256 height, string memory name) private {
        uint64 leafIndex = uint64(0x5555555555555555 & (leafCount - 1));
        bytes32 leaf = keccak256("leaf");
        bytes32 root = leaf;
        bytes32[] memory proof = new bytes32[](height);
        for (uint256 i; i < height; ++i) {
            proof[i] = keccak256(abi.encode(i));
            root = leafIndex >> i & 1 == 1 ? MerkleLog.parent(proof[i], root) : MerkleLog.parent(root, proof[i]);
        }
        uint64 block_ = uint64(anchors.anchorCount(1)) + 1;
        vm.prank(SOURCE);
        uint256 index = anchors.anchor(block_, block_, leafCount, root);
        // Solidity reads a view function by STATICCALL, which would not be a transaction of its own.
        (bool succeeded, bytes memory answer) =
            address(anchors).call(abi.encodeCall(ISlaveAnchors.includes, (1, index, leafIndex, leaf, proof)));
        assertLe(vm.snapshotGasLastCall("chains", name), 229_999, "an inclusion proof");
        assertTrue(succeeded && abi.decode(answer, (bool)), "included");
    }

    function _foundAnchors() private returns (ISlaveAnchors anchors) {
        anchors = ISlaveAnchors(vm.deployCode("SlaveAnchors.sol", abi.encode(consortium)));
        vm.prank(SOURCE);
        consortium.registerSlave(7, keccak256("genesis"), address(0x77));
    }

    function _placeBatch(uint256 count) private {
        (Request[] memory requests, bytes32[] memory records) = (new Request[](count), new bytes32[](count));
        for (uint256 i; i < count; ++i) {
            requests[i] = toRequest(SELLER, Side.Ask, SOLAR, PERIOD, TICKS, WH);
            records[i] = keccak256(abi.encode(i));
        }
        vm.prank(SOURCE);
        market.placeOrders(requests, records);
    }
}
