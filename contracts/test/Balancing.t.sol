// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBalancing, ImbalancePrice} from "../src/interfaces/IBalancing.sol";
import {IConsortium} from "../src/interfaces/IConsortium.sol";
import {MarketTest} from "./support/MarketTest.sol";
import {vm} from "./support/Vm.sol";

contract BalancingTest is MarketTest {
    uint16 private constant SOURCE_ID = 1;
    uint16 private constant GRID_ID = 2;
    uint8 private constant KIND = 16;
    uint64 private constant HEIGHT = 1_000;

    IBalancing private _balancing;

    function setUp() public override {
        super.setUp();
        vm.roll(HEIGHT);
        _balancing = IBalancing(vm.deployCode("Balancing.sol", abi.encode(consortium)));
    }

    // Keys

    function test_aMasterNamesItsKeyAndTheNextOne() public {
        vm.expectEmit(address(_balancing));
        emit IBalancing.EncryptionKeyRegistered(SOURCE_ID, "first");
        _register(SOURCE, "first");
        _register(SOURCE, "next");
        assertTrue(keccak256(_balancing.encryptionKey(SOURCE_ID)) == keccak256("next"), "the next one");
        assertEq(_balancing.encryptionKey(GRID_ID).length, 0, "nobody else's");
    }

    function test_anEmptyKeyIsRefused() public {
        vm.expectRevert(abi.encodeWithSelector(IBalancing.KeyMissing.selector));
        _register(SOURCE, "");
    }

    // Records

    function testFuzz_recordsAreNumberedAndCarriedUnchanged(uint8 kind, bytes calldata content) public {
        _submit(GRID, kind, "before");
        vm.expectEmit(address(_balancing));
        emit IBalancing.Submitted(SOURCE_ID, kind, 1, SOURCE, content);
        assertEq(_submit(SOURCE, kind, content), 1, "its number");
        assertEq(_balancing.submissionCount(), 2, "both");
    }

    function test_onlyActiveMastersSubmitAndNameKeys() public {
        _expectNoMaster(STRANGER);
        _submit(STRANGER, KIND, "content");
        _expectNoMaster(REGULATOR);
        _register(REGULATOR, "key");
        bytes memory suspension = abi.encodeCall(IConsortium.suspend, (SOURCE_ID));
        address[3] memory voters = [GRID, AGGREGATOR, USER];
        for (uint256 i; i < voters.length; ++i) {
            vm.prank(voters[i]);
            consortium.vote(suspension);
        }
        _expectNoMaster(SOURCE);
        _submit(SOURCE, KIND, "content");
    }

    // Prices

    function testFuzz_everyPriceIsAnEvent(uint24 period, uint16 priceTicks, int64 regionWh, uint64 asOfBlock) public {
        asOfBlock %= HEIGHT;
        ImbalancePrice[] memory prices = new ImbalancePrice[](2);
        prices[0] = ImbalancePrice(period, priceTicks, regionWh, 7);
        prices[1] = ImbalancePrice(PERIOD, TICKS, -1, 0);
        vm.expectEmit(address(_balancing));
        emit IBalancing.ImbalancePricePublished(period, priceTicks, regionWh, 7, asOfBlock);
        vm.expectEmit(address(_balancing));
        emit IBalancing.ImbalancePricePublished(PERIOD, TICKS, -1, 0, asOfBlock);
        vm.prank(GRID);
        _balancing.publishImbalancePrices(prices, asOfBlock);
    }

    function test_onlyTheSettlementAgentPublishes() public {
        vm.expectRevert(abi.encodeWithSelector(IBalancing.NotSettlementAgent.selector, SOURCE));
        vm.prank(SOURCE);
        _balancing.publishImbalancePrices(new ImbalancePrice[](1), 0);
        _expectNoMaster(STRANGER);
        vm.prank(STRANGER);
        _balancing.publishImbalancePrices(new ImbalancePrice[](1), 0);
    }

    function testFuzz_aPriceThatFollowsFromABlockToComeIsRefused(uint64 asOfBlock) public {
        vm.assume(asOfBlock >= HEIGHT);
        vm.expectRevert(abi.encodeWithSelector(IBalancing.BlockNotYet.selector, asOfBlock));
        vm.prank(GRID);
        _balancing.publishImbalancePrices(new ImbalancePrice[](1), asOfBlock);
    }

    function _register(address master, bytes memory key) private {
        vm.prank(master);
        _balancing.registerEncryptionKey(key);
    }

    function _submit(address master, uint8 kind, bytes memory content) private returns (uint64) {
        vm.prank(master);
        return _balancing.submit(kind, content);
    }

    function _expectNoMaster(address caller) private {
        vm.expectRevert(abi.encodeWithSelector(IConsortium.NotActiveMaster.selector, caller));
    }
}
